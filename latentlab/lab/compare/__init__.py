"""Models side by side: what is measured, by what, and what it comes to."""

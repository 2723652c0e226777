"""Trained models and what is said about them."""

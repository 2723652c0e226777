"""What stands in a section, one kind of figure a file; each becomes escaped HTML."""

"""What can be done: the only code that writes."""

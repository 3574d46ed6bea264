"""The operators' door: Django's admin, writing through services alone."""

"""What can be asked, how it is done, and how it ends."""

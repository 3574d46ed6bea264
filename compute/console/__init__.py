"""What the pages of the console share, below all of them: it is what they register at."""

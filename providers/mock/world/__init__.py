"""What the mock cloud is made of: a file, a clock, and the ways of Nova."""

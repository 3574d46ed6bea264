"""What all of the HTTP API is made of; knows no noun."""

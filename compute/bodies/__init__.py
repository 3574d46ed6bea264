"""What resources look like: one declaration per noun, without a request."""

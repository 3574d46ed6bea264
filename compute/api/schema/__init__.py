"""What completes the OpenAPI file."""

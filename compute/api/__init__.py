"""Door 1, HTTP: parse, permit, call one service, answer."""

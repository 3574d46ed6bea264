"""Realtime: the door of those who stay: server-sent events and WebSocket."""

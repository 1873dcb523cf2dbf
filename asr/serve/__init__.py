"""The service: speech to text and commands over HTTP, WebSocket and Wyoming, on the extra ``serve``."""

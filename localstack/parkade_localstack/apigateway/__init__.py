"""What LocalStack's REST APIs lack: authorizers, gateway responses, throttling, quotas, compression, access logs."""

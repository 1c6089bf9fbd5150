"""What LocalStack's REST APIs leave out: Lambda authorizers, gateway responses, throttling, quotas, compression, logs."""

"""What LocalStack's REST APIs leave out: authorizers, gateway responses, throttling, quotas, compression, access logs."""

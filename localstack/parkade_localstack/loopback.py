"""LocalStack's Twisted server listens on every interface whatever `GATEWAY_LISTEN` says; this patch fixes that."""

from parkade_localstack import patches


def bind_twisted_to_loopback() -> None:
    """Needed only if `server` is disabled; our own server binds correctly, and importing Twisted is slow."""
    if patches.is_enabled("server"):
        return
    from localstack import config
    from twisted.internet import endpoints

    original = endpoints.TCP4ServerEndpoint
    host_of_port = {listen.port: listen.host for listen in config.GATEWAY_LISTEN}

    def endpoint(reactor, port, backlog=50, interface=""):
        return original(reactor, port, backlog, interface or host_of_port.get(port, "127.0.0.1"))

    endpoints.TCP4ServerEndpoint = endpoint

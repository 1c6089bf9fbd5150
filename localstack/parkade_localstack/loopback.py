"""LocalStack's Twisted server listens on every interface whatever `GATEWAY_LISTEN` says: here it obeys."""

from parkade_localstack import mends


def bind_twisted_to_loopback() -> None:
    """For `server` left out; our own server binds where it is told, and Twisted takes long to import."""
    if mends.wanted("server"):
        return
    from localstack import config
    from twisted.internet import endpoints

    original = endpoints.TCP4ServerEndpoint
    host_of_port = {listen.port: listen.host for listen in config.GATEWAY_LISTEN}

    def endpoint(reactor, port, backlog=50, interface=""):
        return original(reactor, port, backlog, interface or host_of_port.get(port, "127.0.0.1"))

    endpoints.TCP4ServerEndpoint = endpoint

"""Our end of routers' tunnels: a WireGuard interface whose peers are the routers that told us their keys."""

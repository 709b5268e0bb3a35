"""How a router joins: what it is told to do, as text. Pure but for reading the texts of `deploy/routers`."""

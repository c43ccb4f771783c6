"""Where the agent listens unless told otherwise; apart, so that looking for one costs nothing where there is none."""

SOCKET = "/run/joulewise/agent.sock"

"""A small privileged process that lets others read and set devices, within a policy, and puts back what it found.

Only the standard library and what lies below is imported here: it may run as root. `core` decides and does nothing,
`hand` touches hardware, `server` talks.
"""

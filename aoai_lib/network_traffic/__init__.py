"""Which traffic the security rules around a private endpoint let in: exactly, as sets of sources, ports and protocols.

`inbound` joins what was read of an endpoint, its subnet and its security group; `security_rules` turns a group's answer into
rules over numbers, `address_names` says which addresses a tag or an application security group stands for, `decisions`
applies the rules by priority, `spans` is the arithmetic. An answer is allowed, denied, or unknown: it then hangs on
something named that can't be resolved from what was read.
"""

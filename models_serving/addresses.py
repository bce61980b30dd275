"""Which addresses may be asked: public ones, and of private ones those that the operator names. Whoever may declare a
model could else reach whatever this machine reaches, and read of it what an error tells. The addresses at which a cloud
tells a machine its secrets are never asked."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from models_serving.outbound import OutboundError, check_url

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# metadata services that do not stand at a link-local address: AWS, Alibaba, Azure, Oracle
_METADATA = frozenset(map(ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")))
_NAT64 = IPv6Network("64:ff9b::/96")
# Private, whatever `is_global` says of them: a network's own NAT64, site-local ones, and two forms that carry an IPv4
# address (compatible, translated). Sources: RFC 8215, RFC 3879, RFC 4291, RFC 2765.
_PRIVATE = tuple(map(IPv6Network, ("64:ff9b:1::/48", "fec0::/10", "::/96", "::ffff:0:0:0/96")))


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """A guard for `outbound.set_guard`. May be private: `hosts`, `networks`, and `servers`, each a host and its port.
    `variable` is the setting that names the first two, for the error."""

    hosts: frozenset[str]
    networks: tuple[Network, ...]
    servers: frozenset[tuple[str, int]]
    variable: str

    def __call__(self, host: str, port: int, address: str) -> None:
        found = _meant(ip_address(address))
        private = not found.is_global or any(found in one for one in _PRIVATE)
        if _is_never_asked(found) or (private and _is_never_asked(_carried(found))):
            raise OutboundError(f"{host} is at {found}, which is never asked")
        name = host.lower()
        named = name in self.hosts or (name, port) in self.servers or any(found in one for one in self.networks)
        if private and not named:
            raise OutboundError(
                f"{host} is at the private address {found}; {self.variable} has to name the host, its address or its "
                "network"
            )


def policy_of(named: Iterable[str], variable: str, urls: Iterable[str] = ()) -> AddressPolicy:
    """From host names, addresses and networks as an operator writes them, and the addresses of servers that other
    settings name. Raises `ValueError` for what is none, `OutboundError` for an address that is no URL."""
    hosts, networks = set(), []
    for one in named:
        try:
            networks.append(ip_network(one.strip("[]"), strict=False))
        except ValueError:
            if not one.isascii() or not all(part and part.replace("-", "a").isalnum() for part in one.split(".")):
                raise ValueError(f"{variable}: {one!r} is no host name, address or network") from None
            hosts.add(one.lower())
    servers = {(url.host.lower(), url.port or (443 if url.scheme == "https" else 80)) for url in map(check_url, urls)}
    return AddressPolicy(frozenset(hosts), tuple(networks), frozenset(servers), variable)


def _is_never_asked(address: Address) -> bool:
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA


def _carried(address: Address) -> Address:
    """What an address of a private form may carry at its end; itself where that is no such form."""
    carries = isinstance(address, IPv6Address) and int(address) > 1 and any(address in one for one in _PRIVATE)
    return IPv4Address(int(address) & 0xFFFFFFFF) if carries else address


def _meant(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that only carries it."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address

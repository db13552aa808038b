// Package egress guards the connections to hosts that callers name: media and
// callbacks. It judges each address when it is dialed.
package egress

import (
	"context"
	"errors"
	"net/netip"
	"syscall"
)

// ErrPrivate is returned by a dial to an address that the guard does not permit.
var ErrPrivate = errors.New("the address is not public")

// closed4 are the IPv4 networks that are not the public Internet, after the
// special-purpose registry of IANA (RFC 6890), and one address that looks
// public and is not.
var closed4 = prefixes(
	"0.0.0.0/8",        // this network
	"10.0.0.0/8",       // private
	"100.64.0.0/10",    // carrier-grade NAT; some clouds have their metadata here
	"127.0.0.0/8",      // loopback
	"168.63.129.16/32", // Azure's host agent, as seen from every machine there
	"169.254.0.0/16",   // link-local; most clouds have their metadata here
	"172.16.0.0/12",    // private
	"192.0.0.0/24",     // protocol assignments
	"192.0.2.0/24",     // documentation
	"192.88.99.0/24",   // 6to4 relays
	"192.168.0.0/16",   // private
	"198.18.0.0/15",    // benchmarks
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"224.0.0.0/4",      // multicast
	"240.0.0.0/4",      // reserved, broadcast
)

// open6 is the part of IPv6 that is given out for the public Internet. Everything
// else is closed without being listed: loopback, IPv4-mapped and -compatible
// addresses, NAT64, unique local and link-local ones, multicast.
var open6 = netip.MustParsePrefix("2000::/3")

// closed6 are the networks within it that are something else.
var closed6 = prefixes(
	"2001::/23",     // protocol assignments: Teredo, benchmarks, ORCHID
	"2001:db8::/32", // documentation
	"2002::/16",     // 6to4, which holds any IPv4 address
	"3fff::/20",     // documentation
)

func prefixes(list ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, len(list))
	for i, one := range list {
		parsed[i] = netip.MustParsePrefix(one)
	}
	return parsed
}

// Public reports whether an address is one of the public Internet. An IPv4
// address that is written as IPv6 is judged as IPv4.
func Public(addr netip.Addr) bool {
	addr = addr.Unmap()
	if !addr.IsValid() || addr.Zone() != "" {
		return false
	}
	closed := closed4
	if addr.Is6() {
		if !open6.Contains(addr) {
			return false
		}
		closed = closed6
	}
	for _, network := range closed {
		if network.Contains(addr) {
			return false
		}
	}
	return true
}

// Guard permits addresses at the moment they are dialed, when names are resolved
// and redirects followed. To resolve a name beforehand would prove nothing: the next
// answer may be another.
type Guard func(addr netip.Addr) bool

// New is the guard that permits public addresses, or with allowPrivate all.
func New(allowPrivate bool) Guard {
	if allowPrivate {
		return func(netip.Addr) bool { return true }
	}
	return Public
}

// Control is a net.Dialer's ControlContext. Its error is ErrPrivate.
func (g Guard) Control(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !g(to.Addr()) {
		return ErrPrivate
	}
	return nil
}

package media

import (
	"context"
	"net"
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"
)

// resolverAt uses one DNS server, independent of the machine's configuration.
func resolverAt(address string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", address)
	}}
}

// lookUp returns the IPv4 address of a name, SERVFAIL, or nothing; it is called for
// addresses of both kinds.
type lookUp func(name string, kind dnsmessage.Type) string

// dnsReply answers a query for an IPv4 address; there are no others.
func dnsReply(query []byte, lookUp lookUp) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	requested := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	switch requested.Type {
	case dnsmessage.TypeA, dnsmessage.TypeAAAA:
		switch answer := lookUp(requested.Name.String(), requested.Type); {
		case answer == "":
			m.RCode = dnsmessage.RCodeNameError
		case answer == "SERVFAIL":
			m.RCode = dnsmessage.RCodeServerFailure
		case requested.Type == dnsmessage.TypeA:
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: requested.Name, Type: requested.Type, Class: requested.Class},
				Body:   &dnsmessage.AResource{A: netip.MustParseAddr(answer).As4()},
			}}
		}
	default:
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}

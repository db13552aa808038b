package media

import (
	"context"
	"net"
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"
)

// resolverAt asks one DNS server, whatever the machine is set up for.
func resolverAt(address string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", address)
	}}
}

// lookUp names the IPv4 address of a name, SERVFAIL, or nothing; it is asked for
// addresses of both kinds.
type lookUp func(name string, kind dnsmessage.Type) string

// dnsReply answers a query for an IPv4 address; there are no others.
func dnsReply(query []byte, lookUp lookUp) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	asked := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	switch asked.Type {
	case dnsmessage.TypeA, dnsmessage.TypeAAAA:
		switch answer := lookUp(asked.Name.String(), asked.Type); {
		case answer == "":
			m.RCode = dnsmessage.RCodeNameError
		case answer == "SERVFAIL":
			m.RCode = dnsmessage.RCodeServerFailure
		case asked.Type == dnsmessage.TypeA:
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: asked.Name, Type: asked.Type, Class: asked.Class},
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

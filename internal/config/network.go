package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Networks is a list of CIDRs.
type Networks struct{ list []netip.Prefix }

// Prefixes returns the networks in order.
func (n Networks) Prefixes() []netip.Prefix { return slices.Clone(n.list) }

// UnmarshalText parses the variable. A single address is the network of that
// address.
func (n *Networks) UnmarshalText(text []byte) error {
	var (
		list  []netip.Prefix
		wrong []string
	)

	for i, entry := range strings.Split(string(text), ",") {
		network, ok := parseNetwork(strings.TrimSpace(entry))
		if !ok {
			wrong = append(wrong, fmt.Sprintf("entry %d is invalid", i+1))

			continue
		}

		list = append(list, network)
	}

	if len(wrong) > 0 {
		return invalidError("must be a list of CIDRs such as 10.0.0.0/8,fd00::/8; " + strings.Join(wrong, "; "))
	}

	n.list = list
	return nil
}

func parseNetwork(entry string) (netip.Prefix, bool) {
	if network, err := netip.ParsePrefix(entry); err == nil {
		return network.Masked(), true
	}

	addr, err := netip.ParseAddr(entry)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(addr, addr.BitLen()), true
}

// Path is the path of a file. The file is checked when it is opened.
type Path string

// UnmarshalText parses the variable.
func (p *Path) UnmarshalText(text []byte) error {
	for _, c := range text {
		if c < ' ' || c == 0x7f {
			return invalidError("must be the path of a file")
		}
	}

	*p = Path(text)
	return nil
}

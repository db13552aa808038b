package egress

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	tests := map[bool][]string{
		true: {
			"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
			"168.63.129.15", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255",
			"192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "::ffff:8.8.8.8",
			"2001:200::1", "2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450:4001::1", "3ffe::1",
		},
		false: {
			"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.0", "100.100.100.200", "100.127.255.255",
			"127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255",
			"192.0.0.1", "192.0.0.170", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.255.255",
			"198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250",
			"240.0.0.1", "255.255.255.255",
			"::", "::1", "::7f00:1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
			"::ffff:0:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::a00:1", "100::1", "100:0:0:1::1",
			"2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1",
			"2002:7f00:1::", "2002:a00:1::1", "2002:808:808::1", "3fff::1", "3fff:fff:ffff::1", "5f00::1",
			"fc00::1", "fd00:ec2::254", "fd12:3456:789a::1", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "ff02::1", "ff0e::1",
			"2606:4700:4700::1111%eth0",
		},
	}
	for want, addresses := range tests {
		for _, address := range addresses {
			if got := Public(netip.MustParseAddr(address)); got != want {
				t.Errorf("Public(%s) = %t", address, got)
			}
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

// FuzzPublic compares the tables with what the standard library knows, and an
// address with its other spellings.
func FuzzPublic(f *testing.F) {
	for _, seed := range []string{
		"127.0.0.1", "10.1.2.3", "::1", "::ffff:192.168.0.1", "fe80::1%eth0", "2002:7f00:1::", "64:ff9b::a00:1", "8.8.8.8", "2606:4700::1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return
		}
		verdict := Public(addr)
		if addr.Zone() == "" && (Public(netip.AddrFrom16(addr.As16())) != verdict || Public(addr.Unmap()) != verdict) {
			t.Errorf("%s is judged by its spelling", addr)
		}
		if !verdict {
			return
		}
		ip := net.IP(addr.AsSlice())
		if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
			t.Errorf("%s passes as public", addr)
		}
		if a := addr.Unmap(); a.Is6() && a.As16()[0]>>5 != 1 {
			t.Errorf("%s passes as public", addr)
		}
	})
}

func TestControl(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]error{
		"8.8.8.8:443": nil, "127.0.0.1:443": ErrPrivate, "[::1]:443": ErrPrivate, "host:443": ErrPrivate, "": ErrPrivate,
	} {
		if err := New(false).Control(t.Context(), "tcp", address, nil); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", address, err, want)
		}
	}
	if err := New(true).Control(t.Context(), "tcp", "127.0.0.1:443", nil); err != nil {
		t.Errorf("private addresses are allowed: %v", err)
	}
}

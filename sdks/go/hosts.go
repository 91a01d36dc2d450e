package towline

import (
	"net/netip"
	"strings"
)

// hostList is a list of hosts that something may go to. Source: spec/api.md, "Settings".
type hostList struct {
	all      bool
	names    []string // lower case, each fits itself and what is below it
	prefixes []netip.Prefix
	labels   bool // names of one label fit
}

// nearby is the default allow-list of clocks: this machine, private networks, and names that only
// mean something inside one.
func nearby() hostList {
	list := hostList{labels: true, names: []string{"local", "internal", "svc", "cluster.local"}}
	for _, prefix := range []string{
		"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "169.254.0.0/16", "fe80::/10",
	} {
		list.prefixes = append(list.prefixes, netip.MustParsePrefix(prefix))
	}
	return list
}

// add takes one entry: a name, an address, a CIDR block or "*". It reports false for anything else.
func (l *hostList) add(entry string) bool {
	if entry == "*" {
		l.all = true
		return true
	}
	if prefix, err := netip.ParsePrefix(entry); err == nil {
		l.prefixes = append(l.prefixes, unmapPrefix(prefix.Masked()))
		return true
	}
	if address, ok := parseAddress(entry); ok {
		l.prefixes = append(l.prefixes, netip.PrefixFrom(address, address.BitLen()))
		return true
	}
	name := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(entry, "."), "."))
	if !isName(name) {
		return false
	}
	l.names = append(l.names, name)
	return true
}

// holds reports whether host is on the list. Case, a port and a trailing dot do not matter.
func (l *hostList) holds(host string) bool {
	if l.all {
		return true
	}
	host = strings.TrimSuffix(withoutPort(host), ".")
	if address, ok := parseAddress(host); ok {
		for _, prefix := range l.prefixes {
			if prefix.Contains(address) {
				return true
			}
		}
		return false
	}
	if !isName(host) {
		return false
	}
	if l.labels && strings.IndexByte(host, '.') < 0 {
		return true
	}
	for _, name := range l.names {
		if below(host, name) {
			return true
		}
	}
	return false
}

// withoutPort gives the host of name, name:port, an address or [address]:port.
func withoutPort(host string) string {
	if inside, isBracketed := strings.CutPrefix(host, "["); isBracketed {
		host, _, _ = strings.Cut(inside, "]")
		return host
	}
	if name, _, found := strings.Cut(host, ":"); found && strings.IndexByte(host[len(name)+1:], ':') < 0 {
		return name
	}
	return host
}

// below reports whether host is name or ends in it behind a dot.
func below(host, name string) bool {
	at := len(host) - len(name)
	return at >= 0 && strings.EqualFold(host[at:], name) && (at == 0 || host[at-1] == '.')
}

// parseAddress reads an address; an IPv4-mapped one counts as its IPv4, and a zone does not matter.
func parseAddress(host string) (netip.Addr, bool) {
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if host == "" || strings.IndexByte(host, ':') < 0 && host[len(host)-1]-'0' > 9 {
		return netip.Addr{}, false // a name: netip would make an error of it, which costs an allocation
	}
	address, err := netip.ParseAddr(host)
	return address.Unmap().WithZone(""), err == nil
}

// unmapPrefix gives a block of IPv4-mapped addresses as its IPv4.
func unmapPrefix(prefix netip.Prefix) netip.Prefix {
	if prefix.Addr().Is4In6() && prefix.Bits() >= 96 {
		return netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	return prefix
}

// isName reports whether host can be a name: ASCII letters, digits, "-", "_" and dots. One whose last
// label is a number is not: resolvers take 134744072 and 0x8080808 for addresses.
func isName(host string) bool {
	for _, c := range []byte(host) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if digits, isHex := strings.CutPrefix(last, "0x"); isHex {
		return strings.Trim(digits, "0123456789abcdef") != ""
	}
	return strings.Trim(last, "0123456789") != ""
}

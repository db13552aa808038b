package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
)

// protect asks for credentials when there are any. When there are none the
// listener is a loopback one, and a page on the internet could still reach it
// through a name that it lets resolve to 127.0.0.1 (DNS rebinding): requests
// must then be addressed to this machine.
func protect(next http.Handler, user, password string) http.Handler {
	if user == "" || password == "" {
		return onlyLocal(next)
	}

	// Digests have one length, so comparing them tells nothing of the lengths.
	wantUser, wantPassword := sha256.Sum256([]byte(user)), sha256.Sum256([]byte(password))

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gotUser, gotPassword, _ := r.BasicAuth()
		userSum, passwordSum := sha256.Sum256([]byte(gotUser)), sha256.Sum256([]byte(gotPassword))
		right := subtle.ConstantTimeCompare(userSum[:], wantUser[:]) & subtle.ConstantTimeCompare(passwordSum[:], wantPassword[:])

		if right != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="admin", charset="UTF-8"`)
			http.Error(w, "user and password are needed", http.StatusUnauthorized)

			return
		}

		next.ServeHTTP(w, r)
	})
}

func onlyLocal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocalHost(r.Host) {
			http.Error(w, "without ADMIN_USER only localhost is answered", http.StatusMisdirectedRequest)

			return
		}

		next.ServeHTTP(w, r)
	})
}

// isLocalHost reports whether a Host header, with or without a port, names
// this machine.
func isLocalHost(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}

	if name == "localhost" {
		return true
	}

	if len(name) > 1 && name[0] == '[' && name[len(name)-1] == ']' {
		name = name[1 : len(name)-1]
	}

	addr, err := netip.ParseAddr(name)

	return err == nil && addr.Unmap().IsLoopback()
}

// secure sets headers that every answer has; a page that needs another policy
// sets its own.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy",
			"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")

		next.ServeHTTP(w, r)
	})
}

package pages

import (
	"io/fs"
	"net/http"
	"strings"

	"mmsdispatch/internal/admin"
)

// policy is the Content-Security-Policy of the pages: nothing of another origin, and
// no inline script or style.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin") // forms need an origin
		next.ServeHTTP(w, r)
	})
}

// sameSite refuses requests that another site has caused.
func sameSite(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(refuseCrossSite))
	protected := protection.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
			refuseCrossSite(w, r)
			return
		}
		protected.ServeHTTP(w, r)
	})
}

func refuseCrossSite(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, errCrossSite.text, errCrossSite.code)
}

// allows returns nil when the user may make changes that need a role.
func (h *Handler) allows(r *http.Request, least admin.Role) error {
	switch {
	case !h.Write:
		return errReadOnly
	case admin.RoleOf(r.Context()) < least:
		return errRole
	default:
		return nil
	}
}

// assets serves the style and the script.
func assets() http.Handler {
	serve := http.FileServerFS(assetFiles)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if info, err := fs.Stat(assetFiles, strings.TrimPrefix(r.URL.Path, "/")); err != nil || info.IsDir() {
			http.NotFound(w, r)
			return
		}
		serve.ServeHTTP(w, r)
	})
}

package media

// Code says why a medium cannot be sent. Callers see it, so it is stable.
type Code string

// The codes. Beside each in the table below stands whether it may go away by
// itself.
const (
	CodeURL         Code = "media_url"
	CodeUnreachable Code = "media_unreachable"
	CodeTimeout     Code = "media_timeout"
	CodeHostError   Code = "media_host_error"
	CodeUnknownHost Code = "media_unknown_host"
	CodeCertificate Code = "media_certificate"
	CodePrivate     Code = "media_private_address"
	CodeRedirects   Code = "media_redirects"
	CodeNotFound    Code = "media_not_found"
	CodeRefused     Code = "media_refused"
	CodeNoLength    Code = "media_no_length"
	CodeEmpty       Code = "media_empty"
	CodeTooLarge    Code = "media_too_large"
	CodeType        Code = "media_type"
	CodeMismatch    Code = "media_mismatch"
)

// meaning is what a code says to people, and whether another check may end
// differently.
type meaning struct {
	text      string
	temporary bool
}

// meanings is the table of codes. It is never written to.
var meanings = map[Code]meaning{
	CodeURL:         {"it has no http or https URL", false},
	CodeUnreachable: {"its host cannot be reached", true},
	CodeTimeout:     {"its host did not answer in time", true},
	CodeHostError:   {"its host answers with an error of its own", true},
	CodeUnknownHost: {"there is no host of this name", false},
	CodeCertificate: {"the certificate of its host is not trusted", false},
	CodePrivate:     {"its host has no public address", false},
	CodeRedirects:   {"it is redirected too often, or to nowhere", false},
	CodeNotFound:    {"its host does not have it", false},
	CodeRefused:     {"its host does not hand it out", false},
	CodeNoLength:    {"its host does not say how long it is, or sends it in chunks", false},
	CodeEmpty:       {"it is empty", false},
	CodeTooLarge:    {"it is too large", false},
	CodeType:        {"its content type is missing, or none that an MMS carries", false},
	CodeMismatch:    {"it is not what its content type says", false},
}

// Codes lists every code.
func Codes() []Code {
	return []Code{
		CodeURL, CodeUnreachable, CodeTimeout, CodeHostError, CodeUnknownHost, CodeCertificate, CodePrivate, CodeRedirects,
		CodeNotFound, CodeRefused, CodeNoLength, CodeEmpty, CodeTooLarge, CodeType, CodeMismatch,
	}
}

// Error says that a medium cannot be sent, or not now. It keeps nothing of the
// errors below it: net/http's quote URLs, whose queries are often signatures.
type Error struct{ Code Code }

// Error implements error.
func (e *Error) Error() string { return string(e.Code) + ": " + meanings[e.Code].text }

// Temporary reports whether it may go away by itself.
func (e *Error) Temporary() bool { return meanings[e.Code].temporary }

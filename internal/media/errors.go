package media

import "errors"

// Code is the reason why a media cannot be sent. Callers see it, so it is stable.
type Code string

// The codes.
const (
	CodeURL         Code = "media_url"
	CodeUnreachable Code = "media_unreachable"
	CodeTimeout     Code = "media_timeout"
	CodeHostError   Code = "media_host_error"
	CodeCertificate Code = "media_certificate"
	CodePrivate     Code = "media_private_address"
	CodeRedirects   Code = "media_redirects"
	CodeNotFound    Code = "media_not_found"
	CodeRefused     Code = "media_refused"
	CodeNoLength    Code = "media_no_length"
	CodeEmpty       Code = "media_empty"
	CodeTooLarge    Code = "media_too_large"
	CodeType        Code = "media_type"
	CodeHEIC        Code = "media_heic"
	CodeAVIF        Code = "media_avif"
	CodeMismatch    Code = "media_mismatch"
	CodeBroken      Code = "media_broken"
	CodePixels      Code = "media_pixels"
)

// meaning is the text of a code; temporary: another check may have another result.
type meaning struct {
	text      string
	temporary bool
}

// meanings is the table of codes, which is immutable. A name that does not exist and a
// name of a private network have the same code: callers must not discover the names of
// a private network.
var meanings = map[Code]meaning{
	CodeURL:         {"it has no http or https URL", false},
	CodeUnreachable: {"its host cannot be reached", true},
	CodeTimeout:     {"its host did not answer in time", true},
	CodeHostError:   {"its host answers with an error of its own", true},
	CodeCertificate: {"the certificate of its host is not trusted", false},
	CodePrivate:     {"its host has no public address", false},
	CodeRedirects:   {"it is redirected too often, or to no URL that can be fetched", false},
	CodeNotFound:    {"its host does not have it", false},
	CodeRefused:     {"its host does not give it out", false},
	CodeNoLength:    {"its host does not send a Content-Length, or sends it in chunks", false},
	CodeEmpty:       {"it is empty", false},
	CodeTooLarge:    {"it is too large", false},
	CodeType:        {"its type is not named, or is none that an MMS carries", false},
	CodeHEIC:        {"it is a HEIC picture, which is not converted: give a JPEG (iPhone: Camera, Formats, Most Compatible)", false},
	CodeAVIF:        {"it is an AVIF picture, which is not converted: give a JPEG, PNG or GIF", false},
	CodeMismatch:    {"its first bytes do not agree with its Content-Type", false},
	CodeBroken:      {"it is a picture that cannot be decoded", false},
	CodePixels:      {"it is a picture of more than 50 megapixels", false},
}

// Error means that a media cannot be sent, or not now. It wraps no error: net/http's quote URLs,
// whose queries are often signatures.
type Error struct{ Code Code }

// Error implements error.
func (e *Error) Error() string { return string(e.Code) + ": " + meanings[e.Code].text }

// Temporary reports whether another check may have another result.
func (e *Error) Temporary() bool { return meanings[e.Code].temporary }

// ErrNotChecked means that the check could not begin within the caller's time. It is no verdict
// on the media or its host.
var ErrNotChecked = errors.New("media not checked in time")

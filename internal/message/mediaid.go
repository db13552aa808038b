package message

import "strings"

const (
	mediaIDPrefix = "med_"
	mediaIDLength = len(mediaIDPrefix) + identityChars
)

// IsMediaID reports whether an entry of Content.Media is the id of an uploaded
// media rather than a URL.
func IsMediaID(entry string) bool {
	if len(entry) != mediaIDLength || !strings.HasPrefix(entry, mediaIDPrefix) {
		return false
	}
	_, err := crockford().DecodeString(entry[len(mediaIDPrefix):])
	return err == nil
}

// media checks an entry of the media: a URL, or the id of an upload, of which the
// form is checked here and its existence by the caller.
func (c *check) media(name, value string) string {
	switch {
	case IsMediaID(value):
	case strings.HasPrefix(value, mediaIDPrefix):
		c.problems.add(name, ProblemMediaUnknown, unknownMedia)
	default:
		c.url(name, value)
	}
	return value
}

const unknownMedia = "there is no such media"

// UnknownMedia is the problem of a media id that leads to nothing.
func UnknownMedia(field string) FieldError {
	return FieldError{Field: field, Code: ProblemMediaUnknown, Message: unknownMedia}
}

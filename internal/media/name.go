package media

import (
	"net/url"
	"path"
	"strings"
)

// unsendable are the extensions of well-known files that no slide of an MMS can carry.
// Any other name proves nothing.
var unsendable = map[string]bool{
	".txt": true, ".text": true, ".log": true, ".md": true, ".csv": true, ".tsv": true, ".json": true, ".ndjson": true, ".xml": true,
	".yaml": true, ".yml": true, ".ini": true, ".htm": true, ".html": true, ".xhtml": true, ".css": true, ".js": true, ".eml": true,
	".doc": true, ".docx": true, ".odt": true, ".rtf": true, ".xls": true, ".xlsx": true, ".ods": true, ".ppt": true, ".pptx": true,
	".odp": true, ".pages": true, ".numbers": true, ".key": true, ".epub": true,
	".zip": true, ".gz": true, ".tgz": true, ".bz2": true, ".xz": true, ".zst": true, ".7z": true, ".rar": true, ".tar": true, ".iso": true,
	".exe": true, ".msi": true, ".apk": true, ".dmg": true, ".jar": true, ".sh": true, ".bat": true, ".dll": true,
}

// CheckName returns an *Error for a URL whose path ends in the extension of a file
// that no slide can carry. It is for media that are not fetched.
func CheckName(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return &Error{Code: CodeURL}
	}
	if unsendable[strings.ToLower(path.Ext(u.Path))] {
		return &Error{Code: CodeType}
	}
	return nil
}

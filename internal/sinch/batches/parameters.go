package batches

import "regexp"

// parameter is a placeholder that Sinch substitutes: ${key}, with a key of at most 16 of
// A-Za-z0-9.-_ (SMS API reference, parameterised messages).
var parameter = regexp.MustCompile(`\$\{([A-Za-z0-9._-]{1,16})\}`)

// parameters gives each ${key} in a text itself as its value; without one Sinch
// would fail the message (code 405).
func parameters(text string) map[string]map[string]string {
	var values map[string]map[string]string
	for _, match := range parameter.FindAllStringSubmatch(text, -1) {
		if values == nil {
			values = make(map[string]map[string]string)
		}
		values[match[1]] = map[string]string{"default": match[0]}
	}
	return values
}

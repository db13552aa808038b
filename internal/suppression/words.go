package suppression

import (
	"strings"
	"unicode"
)

// Meaning is the meaning of an inbound message for opt-outs.
type Meaning string

// The meanings.
const (
	Stop  Meaning = "stop"  // no more messages
	Start Meaning = "start" // messages again
	Help  Meaning = "help"  // asks who sends
	Other Meaning = "other" // something else
)

// words are the keywords that carriers in the countries of MMS have in common
// (CTIA Messaging Principles; FCC 47 CFR 64.1200(a)(10), in force since April
// 2025; Canada's carriers add ARRET). YES is not among them: it answers all
// kinds of questions, and is no consent to messages after a STOP.
var words = map[string]Meaning{
	"STOP": Stop, "STOPALL": Stop, "UNSUBSCRIBE": Stop, "CANCEL": Stop, "END": Stop, "QUIT": Stop, "OPTOUT": Stop, "REVOKE": Stop,
	"ARRET": Stop, "ARRÊT": Stop,
	"START": Start, "UNSTOP": Start, "OPTIN": Start, "RESUBSCRIBE": Start,
	"HELP": Help, "INFO": Help,
}

// longestWord is the length, in bytes, beyond which a text is not a keyword.
const longestWord = 64

// Classify returns the meaning of a text and its keyword. The text must consist of
// the keyword alone; case, spaces, hyphens and punctuation do not matter.
func Classify(text string) (Meaning, string) {
	if len(text) > longestWord {
		return Other, ""
	}
	word := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToUpper(r)
		}
		return -1
	}, text)
	meaning, ok := words[word]
	if !ok {
		return Other, ""
	}
	return meaning, word
}

package suppression_test

import (
	"strings"
	"testing"

	"mmsdispatch/internal/suppression"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	for meaning, texts := range map[suppression.Meaning][]string{
		suppression.Stop: {
			"STOP", "stop", " Stop \r\n", "Stop.", "\"STOP!\"", "stopall", "Stop all", "unsubscribe", "CANCEL", "end", "Quit", "optout",
			"opt-out", "Opt out", "revoke", "arret", "Arrêt",
		},
		suppression.Start: {"START", "start", "Unstop", "opt in", "OPT-IN", "resubscribe"},
		suppression.Help:  {"HELP", "help?", " Info"},
		suppression.Other: {
			"", " ", "!", "yes", "YES", "stop it please", "don't stop", "stopp", "STOP1", "bus stop", "start over", "the end", "S T O P 2",
			"STOP\x00x", "\xff\xfe", "STOP" + strings.Repeat(" ", 61),
		},
	} {
		for _, text := range texts {
			if got, word := suppression.Classify(text); got != meaning || (word == "") != (meaning == suppression.Other) {
				t.Errorf("%q means %s (%q), want %s", text, got, word, meaning)
			}
		}
	}
}

// Whatever a phone sends: a keyword is one of ours, and stands for itself.
func FuzzClassify(f *testing.F) {
	for _, seed := range []string{"STOP", "opt-out", "Arrêt.", "\xff", "ſtop", "start over"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		meaning, word := suppression.Classify(text)
		if again, same := suppression.Classify(word); again != meaning || same != word {
			t.Errorf("%q means %s by %q, which means %s by %q", text, meaning, word, again, same)
		}
		if (word == "") != (meaning == suppression.Other) {
			t.Errorf("%s by %q", meaning, word)
		}
	})
}

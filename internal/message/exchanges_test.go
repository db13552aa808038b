package message

import (
	"fmt"
	"math/rand/v2"
	"regexp/syntax"
	"slices"
	"strconv"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

// The cached result of one number applies to all numbers of its exchange, so the
// second number of each exchange is another one.
func TestCachedNumbersAreThoseOfTheLibrary(t *testing.T) {
	t.Parallel()
	random, known := rand.New(rand.NewPCG(3, 4)), &exchanges{}
	for range 3_000 {
		exchange := "+1" + strconv.Itoa(100_000+random.IntN(900_000))
		for range 2 {
			value := exchange + strconv.Itoa(1_000+random.IntN(9_000))
			number, country, ok := known.normalize(value, "US")
			slowNumber, slowCountry, slowOK := slowPhone(value, "US")
			if number != slowNumber || country != slowCountry || ok != slowOK {
				t.Fatalf("%s: %q %q %v, the library says %q %q %v", value, number, country, ok, slowNumber, slowCountry, slowOK)
			}
		}
	}
}

func FuzzCachedNumbers(f *testing.F) {
	f.Add("+12065551212", "US", uint16(9999))
	f.Add("+15235551234", "US", uint16(0))
	f.Add("+18762345678", "CA", uint16(5555))
	f.Add("+1 206 555 1212", "US", uint16(1))
	f.Add("+11065551212", "US", uint16(1))
	f.Add("+1206555121٢", "US", uint16(1))
	f.Fuzz(func(t *testing.T, value, region string, other uint16) {
		known := &exchanges{}
		if plainNANP(value) { // another number fills the cache
			known.normalize(value[:8]+fmt.Sprintf("%04d", other%10_000), region)
		}
		number, country, ok := known.normalize(value, region)
		wantNumber, wantCountry, wantOK := NormalizePhone(value, region)
		if number != wantNumber || country != wantCountry || ok != wantOK {
			t.Errorf("%q: %q %q %v, the library says %q %q %v", value, number, country, ok, wantNumber, wantCountry, wantOK)
		}
	})
}

// TestRulesIgnoreDigitsBehindTheExchange checks the patterns by which the library
// finds the country of a number under +1, as finite automata: after any six digits
// the next four must not change the result. A country is found by its leading
// digits, or by the validity of the number there: only in the second case are all
// its numbers valid.
func TestRulesIgnoreDigitsBehindTheExchange(t *testing.T) {
	t.Parallel()
	all, err := phonenumbers.MetadataCollection()
	if err != nil {
		t.Fatal(err)
	}
	var countries int
	var byValidity []string
	for _, country := range all.GetMetadata() {
		if country.GetCountryCode() != 1 {
			continue
		}
		countries++
		deciding := []string{"^(?:" + country.GetLeadingDigits() + ")"}
		if country.GetLeadingDigits() == "" {
			byValidity = append(byValidity, country.GetId())
			deciding = patterns(country)
		}
		for _, pattern := range deciding {
			if newAutomaton(t, pattern).undecided(6, 4) {
				t.Errorf("%s: a digit behind the exchange matters: %s", country.GetId(), pattern)
			}
		}
	}
	if slices.Sort(byValidity); countries < 20 || !slices.Equal(byValidity, []string{canada, unitedStates}) {
		t.Errorf("%d countries are under +1, of which %v are found by the validity of their numbers", countries, byValidity)
	}
}

func TestAutomatonNoticesALaterDigit(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]bool{
		`^(?:206[2-9]\d{6})$`: false, `^(?:8001|8[024]9)`: false, `^(?:NA)$`: false, `^(?:2\d{9}|3\d{6})$`: false,
		`^(?:206555[1-9]\d{3})$`: true, `^(?:206[2-9]\d{5}4)$`: true, `^(?:2065551)`: true,
	} {
		if got := newAutomaton(t, pattern).undecided(6, 4); got != want {
			t.Errorf("%s: %v, want %v", pattern, got, want)
		}
	}
}

// patterns are what makes a number a valid one of a country.
func patterns(m *phonenumbers.PhoneMetadata) []string {
	found := make([]string, 0, 11)
	for _, desc := range []*phonenumbers.PhoneNumberDesc{
		m.GetGeneralDesc(), m.GetFixedLine(), m.GetMobile(), m.GetTollFree(), m.GetPremiumRate(), m.GetSharedCost(),
		m.GetPersonalNumber(), m.GetVoip(), m.GetPager(), m.GetUan(), m.GetVoicemail(),
	} {
		found = append(found, "^(?:"+desc.GetNationalNumberPattern()+")$")
	}
	return found
}

// automaton reads digits. A state is the set of instructions it may be at.
type automaton struct {
	prog  *syntax.Prog
	known map[string]string // verdicts by state and digits to come
}

func newAutomaton(t *testing.T, pattern string) *automaton {
	t.Helper()
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		t.Fatal(err)
	}
	return &automaton{prog: prog, known: make(map[string]string)}
}

// undecided reports whether the verdict on some number depends on the last
// digits once the first ones were read.
func (a *automaton) undecided(first, last int) bool {
	states := [][]uint32{{uint32(a.prog.Start)}}
	for at := range first {
		seen := make(map[string]bool)
		var next [][]uint32
		for _, state := range states {
			for digit := '0'; digit <= '9'; digit++ {
				reached := a.step(state, digit, at == 0)
				if key := fmt.Sprint(reached); !seen[key] {
					seen[key] = true
					next = append(next, reached)
				}
			}
		}
		states = next
	}
	return slices.ContainsFunc(states, func(state []uint32) bool { return a.verdict(state, last) == "" })
}

// verdict is what all numbers get that have n more digits; empty: they differ.
func (a *automaton) verdict(state []uint32, n int) string {
	key := fmt.Sprint(state, n)
	if verdict, known := a.known[key]; known {
		return verdict
	}
	verdict := fmt.Sprint(a.matches(state))
	if n > 0 {
		verdict = a.verdict(a.step(state, '0', false), n-1)
		for digit := '1'; digit <= '9'; digit++ {
			if a.verdict(a.step(state, digit, false), n-1) != verdict {
				verdict = ""
			}
		}
	}
	a.known[key] = verdict
	return verdict
}

// step reads a digit. A state that has matched stays matched: the patterns need not
// match to the end.
func (a *automaton) step(state []uint32, digit rune, begin bool) []uint32 {
	var next []uint32
	for _, pc := range a.closure(state, begin, false) {
		switch inst := a.prog.Inst[pc]; inst.Op {
		case syntax.InstMatch:
			next = append(next, pc)
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			if inst.MatchRune(digit) {
				next = append(next, inst.Out)
			}
		default: // reads nothing
		}
	}
	slices.Sort(next)
	return slices.Compact(next)
}

func (a *automaton) matches(state []uint32) bool {
	return slices.ContainsFunc(a.closure(state, false, true), func(pc uint32) bool { return a.prog.Inst[pc].Op == syntax.InstMatch })
}

// closure are the instructions that are reached without reading.
func (a *automaton) closure(state []uint32, begin, end bool) []uint32 {
	var reached []uint32
	for todo := slices.Clone(state); len(todo) > 0; {
		pc := todo[0]
		todo = todo[1:]
		if slices.Contains(reached, pc) {
			continue
		}
		reached = append(reached, pc)
		switch inst := a.prog.Inst[pc]; inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			todo = append(todo, inst.Out, inst.Arg)
		case syntax.InstCapture, syntax.InstNop:
			todo = append(todo, inst.Out)
		case syntax.InstEmptyWidth:
			wants := syntax.EmptyOp(inst.Arg)
			met := wants&(syntax.EmptyBeginText|syntax.EmptyBeginLine) == 0 || begin
			if met && (wants&(syntax.EmptyEndText|syntax.EmptyEndLine) == 0 || end) {
				todo = append(todo, inst.Out)
			}
		default: // reads, or ends
		}
	}
	return reached
}

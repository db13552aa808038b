package mediafit

import (
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"
)

// Class is a kind of sender. Carriers limit the messages of each kind differently.
type Class string

// The classes that limits are known of.
const (
	ClassTenDigit  Class = "10dlc" // a long number of the United States
	ClassShortCode Class = "short-code"
	ClassTollFree  Class = "toll-free"
)

// CarrierLimit is how large the media of a message may be, all together.
type CarrierLimit struct {
	Class   Class
	Carrier string
	Bytes   int64
	Source  string // URL of the page that says so
	Read    time.Time
}

// carriersFile is the one place of the limits. A limit that no page of Sinch names is
// not in it.
//
//go:embed carriers.csv
var carriersFile string

// Carriers are the limits of carriers.
type Carriers struct{ limits []CarrierLimit }

// ReadCarriers reads the limits.
func ReadCarriers() (Carriers, error) { return parseCarriers(carriersFile) }

func parseCarriers(file string) (Carriers, error) {
	rows, err := csv.NewReader(strings.NewReader(file)).ReadAll()
	if err != nil {
		return Carriers{}, fmt.Errorf("limits of carriers: %w", err)
	}
	if len(rows) == 0 || !slices.Equal(rows[0], []string{"class", "carrier", "bytes", "source", "read"}) {
		return Carriers{}, errors.New("limits of carriers: unknown columns")
	}
	var c Carriers
	for i, row := range rows[1:] {
		limit, err := parseCarrierLimit(row)
		if err != nil {
			return Carriers{}, fmt.Errorf("limits of carriers, row %d: %w", i+1, err)
		}
		c.limits = append(c.limits, limit)
	}
	return c, nil
}

func parseCarrierLimit(row []string) (CarrierLimit, error) {
	limit := CarrierLimit{Class: Class(row[0]), Carrier: row[1], Source: row[3]}
	var err error
	switch {
	case !slices.Contains([]Class{ClassTenDigit, ClassShortCode, ClassTollFree}, limit.Class):
		return CarrierLimit{}, fmt.Errorf("unknown class %q", row[0])
	case limit.Carrier == "":
		return CarrierLimit{}, errors.New("no carrier")
	case !strings.HasPrefix(limit.Source, "https://"):
		return CarrierLimit{}, errors.New("no source")
	}
	if limit.Bytes, err = strconv.ParseInt(row[2], 10, 64); err != nil || limit.Bytes < 1 {
		return CarrierLimit{}, fmt.Errorf("bad number of bytes %q", row[2])
	}
	if limit.Read, err = time.Parse(time.DateOnly, row[4]); err != nil {
		return CarrierLimit{}, fmt.Errorf("bad date: %w", err)
	}
	return limit, nil
}

// All are the limits in the order of the file.
func (c Carriers) All() []CarrierLimit { return slices.Clone(c.limits) }

// Least is the lowest limit of a sender's class: the carrier of a recipient is not
// known before the message is sent. ok is false for senders of which no limit is known.
func (c Carriers) Least(sender string) (least CarrierLimit, ok bool) {
	class, ok := classOf(sender)
	if !ok {
		return CarrierLimit{}, false
	}
	for _, limit := range c.limits {
		if limit.Class == class && (least.Bytes == 0 || limit.Bytes < least.Bytes) {
			least = limit
		}
	}
	return least, least.Bytes > 0
}

// Limit is how many bytes the media of a message from a sender may have together:
// general, or the carriers' least when that is lower.
func (c Carriers) Limit(sender string, general int64) int64 {
	if least, ok := c.Least(sender); ok {
		return min(general, least.Bytes)
	}
	return general
}

// classOf is the class of a sender: a number with its +, or a short code.
func classOf(sender string) (Class, bool) {
	const shortCodeMost, northAmerica = 6, 1 // the shortest phone number has seven digits
	if len(sender) <= shortCodeMost && !strings.HasPrefix(sender, "+") {
		return ClassShortCode, sender != ""
	}
	number, err := phonenumbers.Parse(sender, "")
	switch {
	case err != nil || number.GetCountryCode() != northAmerica:
		return "", false
	case phonenumbers.GetNumberType(number) == phonenumbers.TOLL_FREE:
		return ClassTollFree, true
	case phonenumbers.GetRegionCodeForNumber(number) == "US":
		return ClassTenDigit, true
	default:
		return "", false
	}
}

package ledger

import (
	"strconv"

	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/encoding/protowire"

	"mmsdispatch/internal/message"
)

// value is the value of a field: a number or bytes.
type value struct {
	number int64
	raw    []byte
}

// field is called with each field of a record. It must ignore numbers that it does
// not know: they are of newer releases.
type field func(n protowire.Number, v value) error

// eachField parses a record.
func eachField(record []byte, read field) error {
	for len(record) > 0 {
		n, kind, size := protowire.ConsumeTag(record)
		if size < 0 {
			return errRecord
		}
		record = record[size:]
		var v value
		switch kind {
		case protowire.VarintType:
			var number uint64
			number, size = protowire.ConsumeVarint(record)
			v.number = protowire.DecodeZigZag(number)
		case protowire.BytesType:
			v.raw, size = protowire.ConsumeBytes(record)
		default:
			size = protowire.ConsumeFieldValue(n, kind, record)
		}
		if size < 0 {
			return errRecord
		}
		record = record[size:]
		if err := read(n, v); err != nil {
			return err
		}
	}
	return nil
}

func readMessage(record []byte, m *message.Message, s *sealed) error {
	base := int64(0) // the id is the first field
	return eachField(record, func(n protowire.Number, v value) error {
		switch n {
		case fieldID:
			if err := readText(n, v.raw, m); err != nil {
				return err
			}
			base = m.ID.Created().UnixMilli()
			return nil
		case fieldContent:
			return readContent(v.raw, &m.Content)
		case fieldSealed:
			s.content = v.raw
			return nil
		case fieldNumber:
			s.number = v.raw
			return nil
		case fieldReason:
			m.Reason = &message.Reason{}
			return readReason(v.raw, m.Reason)
		case fieldCall:
			m.Calls = append(m.Calls, message.Attempt{})
			return readCall(v.raw, &m.Calls[len(m.Calls)-1], base, m.SinchID)
		case fieldEntry:
			m.Timeline = append(m.Timeline, message.Entry{})
			return readEntry(v.raw, &m.Timeline[len(m.Timeline)-1], base)
		case fieldTimeline:
			return readTimeline(v.raw, m, base)
		case fieldAcceptedCall:
			m.Calls = append(m.Calls, acceptedCall(m, wordAt(v.number)))
			return nil
		default:
		}
		readNumber(n, v.number, m)
		readPacked(n, v.number, m, base)
		return readText(n, v.raw, m)
	})
}

func readText(n protowire.Number, raw []byte, m *message.Message) (err error) {
	switch n {
	case fieldID:
		m.ID, err = message.UnpackID(string(raw))
	case fieldTenant:
		m.Scope.Tenant = string(raw)
	case fieldFrom:
		m.From = string(raw)
	case fieldBatchID:
		m.BatchID, err = message.UnpackBatchID(string(raw))
	case fieldStatus:
		m.Status = message.Status(raw)
	case fieldSinchID, fieldSinchIDURL, fieldSinchIDBase64, fieldSinchIDULID:
		m.SinchID = string(appendID(nil, n, raw))
	case fieldSentAs:
		m.SentAs = string(raw)
	case fieldGroup:
		m.Group = string(raw)
	case fieldOperator:
		m.Operator = string(raw)
	case fieldTrace:
		m.Trace = message.Trace(raw)
	default:
	}
	if err != nil {
		return errRecord
	}
	return nil
}

func readNumber(n protowire.Number, number int64, m *message.Message) {
	switch n {
	case fieldTest:
		m.Scope.Test = number == 1
	case fieldShard:
		m.Shard = int(number)
	case fieldShared:
		m.Shared = number == 1
	case fieldAttempts:
		m.Attempts = int(number)
	case fieldTries:
		m.Tries = int(number)
	case fieldDelays:
		m.Delays = int(number)
	case fieldTask:
		m.Task = int(number)
	case fieldReplayed:
		m.Replayed = int(number)
	case fieldReplays:
		m.Replays = int(number)
	case fieldDeferrals:
		m.Deferrals = int(number)
	case fieldDropped:
		m.Dropped = int(number)
	case fieldPace:
		m.Pace = number
	case fieldNextAt:
		m.NextAt = instant(number)
	case fieldExpiresAt:
		m.ExpiresAt = instant(number)
	case fieldCreatedAt:
		m.CreatedAt = instant(number)
	case fieldUpdatedAt:
		m.UpdatedAt = instant(number)
	case fieldSentAt:
		m.SentAt = instant(number)
	case fieldFinalAt:
		m.FinalAt = instant(number)
	default:
	}
}

// readPacked reads the fields in fewer bytes.
func readPacked(n protowire.Number, number int64, m *message.Message, base int64) {
	switch n {
	case fieldStatusWord:
		m.Status = message.Status(wordAt(number))
	case fieldSentAsWord:
		m.SentAs = wordAt(number)
	case fieldFromNumber:
		m.From = numberOf(number)
	case fieldOperatorID:
		m.Operator = strconv.FormatInt(number, 10)
	case fieldNextSince:
		m.NextAt = instant(sinceBase(base, number))
	case fieldExpiresSince:
		m.ExpiresAt = instant(sinceBase(base, number))
	case fieldCreatedSince:
		m.CreatedAt = instant(sinceBase(base, number))
	case fieldUpdatedSince:
		m.UpdatedAt = instant(sinceBase(base, number))
	case fieldSentSince:
		m.SentAt = instant(sinceBase(base, number))
	case fieldFinalSince:
		m.FinalAt = instant(sinceBase(base, number))
	case fieldRedactedSince:
		m.RedactedAt = instant(sinceBase(base, number))
	case fieldHeldSince:
		m.HeldUntil = instant(sinceBase(base, number))
	default:
	}
}

func readContent(record []byte, c *message.Content) error {
	read := readContentField(c)
	return eachField(record, func(n protowire.Number, v value) error {
		if n != contentCompressed {
			return read(n, v)
		}
		plain, err := decompress(v.raw)
		if err != nil {
			return err
		}
		return eachField(plain, read)
	})
}

// readContentField reads the fields of a content one by one.
func readContentField(c *message.Content) field {
	key := ""
	return func(n protowire.Number, v value) error {
		if v.raw == nil {
			readContentNumber(n, v.number, c)
			return nil
		}
		n, text, err := decoded(n, v.raw)
		if err != nil {
			return err
		}
		switch n {
		case contentTo:
			c.To = text
		case contentFrom:
			c.From = text
		case contentSubject:
			c.Subject = text
		case contentText:
			c.Text = text
		case contentMedia:
			c.Media = append(c.Media, text)
		case contentReference:
			c.ClientReference = text
		case contentPriority:
			c.Priority = message.Lane(text)
		case contentFallbackText:
			c.FallbackText = text
		case contentCallbackURL:
			c.CallbackURL = text
		case contentQuietHours:
			c.QuietHours = message.QuietHours(text)
		case contentKey:
			key = text
			if c.Metadata == nil {
				c.Metadata = make(map[string]string)
			}
			c.Metadata[key] = "" // an empty value is not written
		case contentValue:
			if c.Metadata == nil {
				return errRecord
			}
			c.Metadata[key] = text
		default:
		}
		return nil
	}
}

// readContentNumber reads the fields of a content that are numbers.
func readContentNumber(n protowire.Number, number int64, c *message.Content) {
	switch n {
	case contentToNumber:
		c.To = numberOf(number)
	case contentPriorityWord:
		c.Priority = message.Lane(wordAt(number))
	case contentSendAt:
		c.SendAt = instant(number)
	case contentExpiresAt:
		c.ExpiresAt = instant(number)
	default:
	}
}

// decoded is a text of a content and its field, whether it is coded or not.
func decoded(n protowire.Number, raw []byte) (protowire.Number, string, error) {
	if n <= contentHuffman {
		return n, string(raw), nil
	}
	text, err := hpack.HuffmanDecodeToString(raw)
	if err != nil {
		return n, "", errRecord
	}
	return n - contentHuffman, text, nil
}

func readReason(record []byte, r *message.Reason) error {
	return eachField(record, func(n protowire.Number, v value) error {
		switch n {
		case reasonCode:
			r.Code = message.ReasonCode(v.raw)
		case reasonMessage:
			r.Message = string(v.raw)
		case reasonSinchCode:
			r.SinchCode = string(v.raw)
		default:
		}
		return nil
	})
}

func readCall(record []byte, a *message.Attempt, base int64, shown string) error {
	return eachField(record, func(n protowire.Number, v value) error {
		switch n {
		case callN:
			a.N = int(v.number)
		case callState:
			a.State = message.AttemptState(v.raw)
		case callWorker:
			a.Worker = string(v.raw)
		case callAPI:
			a.API = string(v.raw)
		case callBaseURL:
			a.BaseURL = string(v.raw)
		case callAccount:
			a.Account = string(v.raw)
		case callBegun:
			a.Begun = instant(v.number)
		case callDeadline:
			a.Deadline = instant(v.number)
		case callSinchID:
			a.SinchID = string(v.raw)
		case callLookups:
			a.Lookups = int(v.number)
		case callLookupAt:
			a.LookupAt = instant(v.number)
		case callShared:
			a.Call = string(v.raw)
		default:
			readPackedCall(n, v.number, a, base, shown)
		}
		return nil
	})
}

// readPackedCall reads the fields of a call in fewer bytes; shown is Sinch's id of
// the message.
func readPackedCall(n protowire.Number, number int64, a *message.Attempt, base int64, shown string) {
	switch n {
	case callStateWord:
		a.State = message.AttemptState(wordAt(number))
	case callAPIWord:
		a.API = wordAt(number)
	case callBegunSince:
		a.Begun = instant(sinceBase(base, number))
	case callDeadlineSince:
		a.Deadline = instant(sinceBase(base, number))
	case callLookupSince:
		a.LookupAt = instant(sinceBase(base, number))
	case callShown:
		a.SinchID = shown
	default:
	}
}

func readEntry(record []byte, e *message.Entry, base int64) error {
	return eachField(record, func(n protowire.Number, v value) error {
		switch n {
		case entryAt:
			e.At = instant(v.number)
		case entryStatus:
			e.Status = message.Status(v.raw)
		case entryDetail:
			e.Detail = string(v.raw)
		case entryAttempt:
			e.Attempt = int(v.number)
		case entryReason:
			e.Reason = &message.Reason{}
			return readReason(v.raw, e.Reason)
		case entrySince:
			e.At = instant(sinceBase(base, v.number))
		case entryStatusWord:
			e.Status = message.Status(wordAt(v.number))
		case entryDetailWord:
			e.Detail = wordAt(v.number)
		case entryPhases:
			e.Phases = unpackPhases(v.raw)
		default:
		}
		return nil
	})
}

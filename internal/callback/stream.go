package callback

// StreamLength is how many events of a scope a subscriber can resume from.
const StreamLength = 10_000

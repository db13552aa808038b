package message

// Edges returns the transition table.
func Edges() []Edge { return edges }

package admin

import "fmt"

// BreakListener takes the socket from a server that serves.
func (s *Server) BreakListener() error {
	if err := s.listener.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

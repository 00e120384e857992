package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// readRESP reads one whole value of the Redis protocol (version 2 or 3) and
// returns its bytes unchanged.
func readRESP(r *bufio.Reader) ([]byte, error) {
	var out bytes.Buffer
	if err := copyRESP(r, &out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// readRequest reads one request: an array of strings, or an inline command.
// Some clients open a connection with an inline command.
func readRequest(r *bufio.Reader) ([]byte, error) {
	first, err := r.Peek(1)
	if err != nil {
		return nil, err
	}
	if first[0] != '*' {
		return r.ReadBytes('\n')
	}
	return readRESP(r)
}

func copyRESP(r *bufio.Reader, out *bytes.Buffer) error {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return err
	}
	out.Write(line)
	if len(line) < 3 {
		return fmt.Errorf("too short for a line of the Redis protocol: %q", line)
	}
	switch line[0] {
	case '+', '-', ':', '_', '#', ',', '(':
		return nil
	}
	n, err := strconv.Atoi(string(bytes.TrimSpace(line[1:])))
	if err != nil {
		return fmt.Errorf("not the Redis protocol: %.80q", line)
	}
	switch line[0] {
	case '$', '!', '=':
		if n < 0 {
			return nil
		}
		_, err := io.CopyN(out, r, int64(n)+2)
		return err
	case '*', '~', '>':
	case '%', '|':
		n *= 2
	default:
		return fmt.Errorf("not the Redis protocol: %.80q", line)
	}
	for i := 0; i < n; i++ {
		if err := copyRESP(r, out); err != nil {
			return err
		}
	}
	if line[0] == '|' {
		// An attribute precedes the value that it belongs to.
		return copyRESP(r, out)
	}
	return nil
}

// commandName is the first word of a request, in capitals.
func commandName(request []byte) string {
	if len(request) > 0 && request[0] != '*' {
		word, _, _ := bytes.Cut(bytes.TrimSpace(request), []byte(" "))
		return string(bytes.ToUpper(word))
	}
	r := bufio.NewReader(bytes.NewReader(request))
	if _, err := r.ReadBytes('\n'); err != nil {
		return ""
	}
	if _, err := r.ReadBytes('\n'); err != nil {
		return ""
	}
	word, err := r.ReadBytes('\n')
	if err != nil {
		return ""
	}
	return string(bytes.ToUpper(bytes.TrimSpace(word)))
}

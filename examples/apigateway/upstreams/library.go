package upstreams

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// The methods of the library.

func (l *Library) get(s stream) error {
	m, err := s.ask()
	if err != nil {
		return err
	}
	name := field(m, "name").String()
	books, _ := l.since(0)
	for _, b := range books {
		if b.Name == name {
			return s.sendBook(b)
		}
	}
	return &Status{NotFound, "there is no book " + name}
}

func (l *Library) list(s stream) error {
	m, err := s.ask()
	if err != nil {
		return err
	}
	limit := int(field(m, "page_size").Int())
	switch {
	case limit < 0:
		return &Status{InvalidArgument, fmt.Sprintf("page_size is %d: must be positive, or 0 for 100", limit)}
	case limit == 0:
		limit = 100
	}
	languages, answer := field(m, "languages").List(), s.answer()
	books := answer.Mutable(answer.Descriptor().Fields().ByName("books")).List()
	all, _ := l.since(0)
	for _, b := range all {
		if books.Len() < limit && b.on(field(m, "parent").String()) && (languages.Len() == 0 || has(languages, b.Language)) {
			b.write(books.AppendMutable().Message())
		}
	}
	return s.send(answer)
}

func has(list protoreflect.List, n protoreflect.EnumNumber) bool {
	for i := range list.Len() {
		if list.Get(i).Enum() == n {
			return true
		}
	}
	return false
}

// since are the books from a place on in the order in which they came, and what is closed when there are more.
// A book is not changed any more.
func (l *Library) since(from int) ([]*Book, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.books[from:len(l.books):len(l.books)], l.more
}

// on tells whether a book is on a shelf; "" is all of them.
func (b *Book) on(shelf string) bool {
	return shelf == "" || strings.HasPrefix(b.Name, shelf+"/")
}

func (l *Library) create(s stream) error {
	m, err := s.ask()
	if err != nil {
		return err
	}
	b, shelf := read(field(m, "book").Message()), field(m, "parent").String()
	if b.Title == "" || shelf == "" {
		return &Status{InvalidArgument, "a book has a title and a parent, shelves/1"}
	}
	if err := l.add(shelf, b); err != nil {
		return err
	}
	return s.sendBook(b)
}

func (l *Library) add(shelf string, b *Book) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.books) >= maxBooks {
		return &Status{ResourceExhausted, fmt.Sprintf("the library is full with %d books", maxBooks)}
	}
	b.Name = fmt.Sprintf("%s/books/%d", shelf, len(l.books)+1)
	l.books = append(l.books, b)
	close(l.more)
	l.more = make(chan struct{})
	return nil
}

func (l *Library) watch(s stream) error {
	m, err := s.ask()
	if err != nil {
		return err
	}
	shelf, limit := field(m, "parent").String(), int(field(m, "limit").Int())
	sent := 0
	for seen := 0; ; {
		books, more := l.since(seen)
		seen += len(books)
		for _, b := range books {
			if !b.on(shelf) {
				continue
			}
			if err := s.sendBook(b); err != nil {
				return err
			}
			if sent++; sent == limit {
				return nil
			}
		}
		select {
		case <-more:
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
}

// translate answers each book as it comes.
func (l *Library) translate(s stream) error {
	for {
		m, err := s.receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		b := read(m)
		b.Title, b.Language = strings.ToUpper(b.Title), 2
		if err := s.sendBook(b); err != nil {
			return err
		}
	}
}

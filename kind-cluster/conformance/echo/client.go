package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A whole batch may take so long: the suite counts on no more.
const (
	limit    = 5 * time.Second
	together = 16
)

// wish is what the arguments ask for: count requests, all alike.
type wish struct {
	target, verb, host string
	headers            http.Header
	count              int
}

func wished(args []string) wish {
	found := wish{verb: "GET", headers: http.Header{}, count: 1}
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-H" && i+1 < len(args):
			i++
			name, value, _ := strings.Cut(args[i], ":")
			if value = strings.TrimSpace(value); strings.EqualFold(name, "Host") {
				found.host = value
			} else {
				found.headers.Add(name, value)
			}
		case strings.HasPrefix(arg, "--method="):
			found.verb = strings.TrimPrefix(arg, "--method=")
		case strings.HasPrefix(arg, "--count="):
			found.count, _ = strconv.Atoi(strings.TrimPrefix(arg, "--count="))
		case strings.HasPrefix(arg, "-"):
			log.Fatalf("unknown argument %s", arg)
		default:
			found.target = arg
		}
	}
	return found
}

func ask(args []string) {
	asked := wished(args)
	target, err := url.Parse(asked.target)
	if err != nil {
		log.Fatal(err)
	}
	asked.host = cmp.Or(asked.host, target.Host)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	one := byHTTP(asked)
	if target.Scheme == "grpc" {
		one = byGRPC(asked, target.Host)
	}
	answers, errs := make([]string, asked.count), make([]error, asked.count)
	var all sync.WaitGroup
	places := make(chan struct{}, together)
	for i := range asked.count {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			answers[i], errs[i] = one(ctx, i)
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			log.Fatalf("Error %v", err)
		}
	}
	for _, answer := range answers {
		fmt.Println(answer) // with the empty line that separates the answers of a batch
	}
}

// byHTTP is a request on a connection of its own.
func byHTTP(asked wish) func(context.Context, int) (string, error) {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, number int) (string, error) {
		request, err := http.NewRequestWithContext(ctx, asked.verb, asked.target, nil)
		if err != nil {
			return "", err
		}
		request.Host, request.Header = asked.host, asked.headers.Clone()
		response, err := client.Do(request)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return "", err
		}
		var shown bytes.Buffer
		fmt.Fprintf(&shown, "[%d] Url=%s\n", number, asked.target)
		each(asked.headers, func(name, value string) { fmt.Fprintf(&shown, "[%d] Header=%s:%s\n", number, name, value) })
		fmt.Fprintf(&shown, "[%d] StatusCode=%d\n", number, response.StatusCode)
		show(&shown, number, string(body), response.Header)
		return shown.String(), nil
	}
}

// byGRPC is a call; all calls share one connection.
func byGRPC(asked wish, to string) func(context.Context, int) (string, error) {
	credentials := grpc.WithTransportCredentials(insecure.NewCredentials())
	connection, err := grpc.NewClient("passthrough:///"+to, credentials, grpc.WithAuthority(asked.host))
	if err != nil {
		log.Fatal(err)
	}
	return func(ctx context.Context, number int) (string, error) {
		sent, got := metadata.MD{}, metadata.MD{}
		each(asked.headers, func(name, value string) { sent.Append(name, value) })
		var answer wrapperspb.StringValue
		ctx = metadata.NewOutgoingContext(ctx, sent)
		path := "/" + service + "/" + method
		if err := connection.Invoke(ctx, path, wrapperspb.String("HelloWorld"), &answer, grpc.Header(&got)); err != nil {
			return "", err
		}
		var shown bytes.Buffer
		show(&shown, number, answer.Value, got)
		return shown.String(), nil
	}
}

func show(to *bytes.Buffer, number int, body string, headers map[string][]string) {
	each(headers, func(name, value string) { fmt.Fprintf(to, "[%d] ResponseHeader=%s:%s\n", number, name, value) })
	for line := range strings.SplitSeq(body, "\n") {
		if line != "" {
			fmt.Fprintf(to, "[%d body] %s\n", number, line)
		}
	}
}

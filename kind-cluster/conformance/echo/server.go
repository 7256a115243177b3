package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// ports are those to answer at: HTTP/1.1 and HTTP/2 without and with TLS, TCP, gRPC.
type ports struct {
	http, tcp, grpc []int
	tls             map[int]bool
}

// told reads the arguments. --crt and --key are not looked at: the certificate is made here, as nobody checks it.
func told(args []string) ports {
	found := ports{tls: map[int]bool{}}
	for _, arg := range args {
		name, value, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		port, _ := strconv.Atoi(value)
		switch name {
		case "port":
			found.http = append(found.http, port)
		case "tls":
			found.tls[port] = true
		case "tcp":
			found.tcp = append(found.tcp, port)
		case "grpc":
			found.grpc = append(found.grpc, port)
		}
	}
	return found
}

func serve(args []string) {
	found := told(args)
	for _, port := range found.http {
		go serveHTTP(port, found.tls[port])
	}
	for _, port := range found.tcp {
		go serveTCP(port)
	}
	for _, port := range found.grpc {
		go serveGRPC(port)
	}
	end := make(chan os.Signal, 1) // a pod without ports waits, too
	signal.Notify(end, os.Interrupt, syscall.SIGTERM)
	<-end
}

func listen(port int) net.Listener {
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

func serveHTTP(port int, encrypted bool) {
	server := &http.Server{Handler: answer(port), Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	server.Protocols.SetHTTP2(true)
	if !encrypted {
		log.Fatal(server.Serve(listen(port)))
	}
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate()}}
	log.Fatal(server.ServeTLS(listen(port), "", ""))
}

// certificate is a new one, signed by itself.
func certificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	until := time.Now().AddDate(1, 0, 0)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"echo"}, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		log.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func answer(port int) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		var body bytes.Buffer
		fmt.Fprintf(&body, "ServiceVersion=\nServicePort=%d\nHost=%s\nURL=%s\nMethod=%s\nProto=%s\nIP=%s\n", port,
			request.Host, request.RequestURI, request.Method, request.Proto, address(request.RemoteAddr))
		if request.TLS != nil && request.TLS.NegotiatedProtocol != "" {
			fmt.Fprintf(&body, "Alpn=%s\n", request.TLS.NegotiatedProtocol)
		}
		each(request.Header, func(name, value string) { fmt.Fprintf(&body, "RequestHeader=%s:%s\n", name, value) })
		fmt.Fprintf(&body, "Hostname=%s\n", hostname())
		writer.Header().Set("Content-Type", "application/text")
		writer.Write(body.Bytes())
	})
}

// serveTCP says who it is, then what it hears.
func serveTCP(port int) {
	listener := listen(port)
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer connection.Close()
			fmt.Fprintf(connection, "StatusCode=200\nServicePort=%d\nIP=%s\nProto=TCP\nHostname=%s\n", port,
				address(connection.RemoteAddr().String()), hostname())
			io.Copy(connection, connection)
		}()
	}
}

func serveGRPC(port int) {
	handler := func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var asked wrapperspb.StringValue
		if err := decode(&asked); err != nil {
			return nil, err
		}
		var body bytes.Buffer
		headers, _ := metadata.FromIncomingContext(ctx)
		each(headers, func(name, value string) {
			if name == ":authority" {
				fmt.Fprintf(&body, "Host=%s\n", value)
			}
			if !strings.HasSuffix(name, "-bin") {
				fmt.Fprintf(&body, "RequestHeader=%s:%s\n", name, value)
			}
		})
		from := ""
		if caller, known := peer.FromContext(ctx); known {
			from = address(caller.Addr.String())
		}
		fmt.Fprintf(&body, "StatusCode=200\nServiceVersion=\nServicePort=%d\nIP=%s\nProto=GRPC\nEcho=%s\nHostname=%s\n",
			port, from, asked.Value, hostname())
		return wrapperspb.String(body.String()), nil
	}
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: service,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: method, Handler: handler}},
	}, nil)
	log.Fatal(server.Serve(listen(port)))
}

// each calls show with every value, names in order.
func each(headers map[string][]string, show func(name, value string)) {
	var names []string
	for name := range headers {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		for _, value := range headers[name] {
			show(name, value)
		}
	}
}

func address(of string) string {
	host, _, _ := net.SplitHostPort(of)
	return host
}

func hostname() string {
	name, _ := os.Hostname()
	return name
}

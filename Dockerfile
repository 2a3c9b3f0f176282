# The operator's image: one static program, no shell, no emulator.
ARG RUST_VERSION=1.95

FROM rust:${RUST_VERSION}-alpine AS build
RUN apk add --no-cache build-base ca-certificates
WORKDIR /build
COPY . .
RUN cargo build --locked --release --no-default-features --features pdf --bin clinch-operator \
    && cp target/release/clinch-operator /clinch-operator

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /clinch-operator /clinch-operator
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/clinch-operator"]
CMD ["run"]

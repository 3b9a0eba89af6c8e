#!/bin/sh
# Writes sixgate.yaml(5): what `sixgated --example-config` says, so that it cannot differ from what
# the program reads. Usage: man5.sh SIXGATED
cat <<'END'
.TH SIXGATE.YAML 5 "" "sixgate" "File formats"
.SH NAME
sixgate.yaml \- configuration of the Sixgate gateway
.SH DESCRIPTION
One YAML file, by default
.IR /etc/sixgate/sixgate.yaml .
Sections may be left out; one that is there is on. Every key has a default that most operators want,
so that the smallest useful file is short:
.PP
.nf
.RS
interfaces: {inside: lan0, outside: wan0}
nat64:   {pool4: outside}
dns64:   {upstream: 2001:db8:ffff::53}
egress6: {prefixes: inside}
.RE
.fi
.PP
Unknown keys are errors. All errors of a file are reported at once, with file, line and column, by
.B sixgated \-\-check\-config
and by
.BR "sixgatectl reload" ,
which then changes nothing. The keys
.BR workers ", " flows ", " user ", " control ", " io " and " tun
need a restart.
.SH KEYS
.nf
END
"$1" --example-config | sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^\\([.']\\)/\\\\\\&\\1/"
cat <<'END'
.fi
.SH SEE ALSO
.BR sixgated (8),
.BR sixgatectl (8)
END

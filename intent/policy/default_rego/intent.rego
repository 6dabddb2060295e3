# The default policy set: deny unless a permit matches and no forbid does.
package intent

import rego.v1

call := input.action.properties

target := input.resource.properties

delegation := input.context.delegation

session := input.context.session

claims := input.subject.properties.claims

# A rule whose attribute is missing or misspelled is skipped; without this, the verdict of an input that lacks one would not be undefined.
complete if {
	is_boolean(call.forwarded)
	is_string(call.intent)
	is_array(call.reasons)
	is_array(call.evidence)
	is_string(target.sensitivity)
	is_boolean(delegation.valid)
	is_boolean(delegation.granted)
	is_boolean(session.known)
	is_boolean(session.expired)
	is_string(session.read_sensitivity)
	is_array(claims)
}

verdict := {"allow": true, "determining": sort(permits), "obligations": duties(permits)} if {
	complete
	count(forbids) == 0
	count(permits) > 0
}

verdict := {"allow": false, "determining": sort(forbids), "obligations": duties(forbids)} if {
	complete
	count(forbids) > 0
}

verdict := {"allow": false, "determining": [], "obligations": []} if {
	complete
	count(forbids) == 0
	count(permits) == 0
}

# What is never allowed.

forbids contains "unknown" if call.forwarded == false

forbids contains "unknown" if call.intent == "unknown"

forbids contains "mismatch" if "mismatch" in call.reasons

forbids contains "session-expired" if session.expired

forbids contains "broken-delegation" if delegation.valid == false

forbids contains "not-granted" if delegation.granted == false

forbids contains "restricted-without-claim" if {
	target.sensitivity == "restricted"
	not "restricted" in claims
}

forbids contains "export-after-restricted-read" if {
	call.intent == "export"
	session.read_sensitivity == "restricted"
}

forbids contains "export-outside-session" if {
	call.intent == "export"
	session.known == false
}

# What is allowed.

reads if call.intent in {"summarize", "search"}

unrequested if "unrequested_destination" in call.evidence

ordinary if target.sensitivity in {"public", "internal"}

sensitive if target.sensitivity in {"confidential", "restricted"}

permits contains "read" if {
	reads
	not unrequested
	ordinary
}

permits contains "read-sensitive" if {
	reads
	not unrequested
	sensitive
}

permits contains "read-unrequested" if {
	reads
	unrequested
	ordinary
}

permits contains "read-unrequested-sensitive" if {
	reads
	unrequested
	sensitive
}

permits contains "write" if call.intent == "write"

permits contains "export" if call.intent == "export"

# What an answer binds to.

duties(policies) := [told |
	some duty in obligations
	duty.policy in policies
	told := {"id": sprintf("%s:%s", [duty.policy, duty.type]), "type": duty.type, "properties": duty.properties}
]

obligations contains {"policy": "mismatch", "type": "notification", "properties": {
	"channel": "security",
	"message": "A call does something else than was asked for.",
}}

obligations contains {"policy": "read-sensitive", "type": "mask", "properties": {"fields": secret_fields}}

obligations contains {"policy": "read-unrequested", "type": "step-up", "properties": {
	"message": "The call goes to a destination that nobody asked for.",
}}

obligations contains {"policy": "read-unrequested-sensitive", "type": "step-up", "properties": {
	"message": "The call goes to a destination that nobody asked for.",
}}

obligations contains {"policy": "read-unrequested-sensitive", "type": "mask", "properties": {"fields": secret_fields}}

obligations contains {"policy": "write", "type": "step-up", "properties": {"message": "The call changes something."}}

obligations contains {"policy": "export", "type": "step-up", "properties": {"message": "The call sends something out."}}

obligations contains {"policy": "export", "type": "notification", "properties": {
	"channel": "security",
	"message": "A call sends something out.",
}}

secret_fields := ["password", "secret", "token", "api_key", "authorization", "ssn", "iban", "card_number"]

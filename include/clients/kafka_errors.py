"""What does an error of librdkafka mean for us, and what is to be done?"""

from __future__ import annotations

import re
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException

from include.errors import DataPlatformError, Fenced, ForbiddenError, NotDeployed, RequestError, Unavailable

MISSING = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
_FORBIDDEN = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
}
_FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}
_SILENT = {KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN}
_WITHOUT_BEARER = "Failed to acquire SASL OAUTHBEARER token"
_ASK_BROKERS = "tried again by itself; if it lasts, ask whether the brokers are up"


@dataclass(frozen=True)
class Errors:
    """Those of a cluster. replicas: on how many brokers our topics must be."""

    cluster: str
    replicas: int

    def of(self, failure: KafkaException | SystemError, what: str, timeout: float) -> DataPlatformError:
        """`what`: the topic or transactional id that was worked on; `timeout`: the seconds that were waited."""
        error = _kafka_error(failure)
        code, where = error.code() if error is not None else None, f"{self.cluster}, {what}"
        if code in MISSING:
            return self.missing(what)
        if code in _FENCED:
            return Fenced("another publisher has taken over", where=where, remedy="none: the other one goes on")
        if code == KafkaError.INVALID_REPLICATION_FACTOR:
            remedy = "correct the extra replication_factor of kafka_default: at most as many as there are brokers"
            return RequestError(f"there are not {self.replicas} brokers for a topic", where=where, remedy=remedy)
        if error is not None and error.str().startswith(_WITHOUT_BEARER):
            remedy = "tried again by itself; if it lasts, correct the extras sasl.oauthbearer.… of kafka_default"
            return Unavailable("no token could be had for the login to Kafka", where=where, remedy=remedy)
        if error is not None and code in _FORBIDDEN:
            remedy = "correct the login of kafka_default, or grant what `python -m include grants kafka` prints"
            return ForbiddenError(f"Kafka does not allow it ({error.name()})", where=where, remedy=remedy)
        name = error.name() if error is not None else "the client failed"
        silent = f"Kafka did not answer within {timeout:.0f} s ({name})"
        return Unavailable(silent if code in _SILENT else f"Kafka: {name}", where=where, remedy=_ASK_BROKERS)

    def of_settings(self, failure: KafkaException) -> RequestError:
        """What the client says of its settings when it is made; it may name the value, too."""
        name = re.search(r'property:? "?([\w.]+)', failure.args[0].str())
        return RequestError(
            f"the client of Kafka does not take the setting {name[1] if name else '(it does not say which)'}",
            where=f"connection kafka_default, {self.cluster}",
            remedy="correct its name or value: librdkafka's CONFIGURATION.md lists what there is",
        )

    def silent(self, topic: str, timeout: float) -> Unavailable:
        problem = f"the brokers of {topic} were silent for {timeout:.0f} s"
        return Unavailable(problem, where=self.cluster, remedy=_ASK_BROKERS)

    def missing(self, topic: str) -> NotDeployed:
        remedy = "run `python -m include topics apply`"
        return NotDeployed(f"there is no topic {topic}", where=self.cluster, remedy=remedy)


def _kafka_error(error: BaseException) -> KafkaError | None:
    """librdkafka's error, also out of the SystemError that wraps it when a callback was running."""
    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, KafkaException):
            return chain.args[0]
        chain = chain.__cause__ or chain.__context__
    return None

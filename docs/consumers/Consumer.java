// What is the state of a topic now? java Consumer.java <brokers> <registry> <topic> <schema.avsc>
// Needs kafka-clients and avro (with the Jackson that avro brings along). See docs/consuming.md.

import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.apache.avro.Conversions;
import org.apache.avro.Schema;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

public class Consumer {
    private final HttpClient http = HttpClient.newHttpClient();
    private final Map<Integer, Schema> known = new HashMap<>();
    private final GenericData types = new GenericData();
    private final String registry;
    private final Schema ours;

    Consumer(String registry, Schema ours) {
        this.registry = registry;
        this.ours = ours;
        types.addLogicalTypeConversion(new Conversions.DecimalConversion());
        types.addLogicalTypeConversion(new TimeConversions.DateConversion());
        types.addLogicalTypeConversion(new TimeConversions.TimeMicrosConversion());
        types.addLogicalTypeConversion(new TimeConversions.TimestampMicrosConversion());
        types.addLogicalTypeConversion(new TimeConversions.LocalTimestampMicrosConversion());
    }

    /** The row of each key, from the first record to the end. A service would go on, and keep its offsets. */
    Map<String, GenericRecord> state(String brokers, String topic) throws Exception {
        Map<String, Object> config = Map.of("bootstrap.servers", brokers, "isolation.level", "read_committed");
        var rows = new HashMap<String, GenericRecord>();
        try (var consumer = new KafkaConsumer<>(config, new StringDeserializer(), new ByteArrayDeserializer())) {
            var found = consumer.partitionsFor(topic).stream();
            var partitions = found.map(p -> new TopicPartition(topic, p.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            var ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
                for (var event : consumer.poll(Duration.ofSeconds(1))) {
                    if (event.value() == null) rows.remove(event.key());  // a tombstone, perhaps of a key we never had
                    else rows.put(event.key(), decode(ByteBuffer.wrap(event.value())));
                }
            }
        }
        return rows;
    }

    /** A zero byte, the id of the schema that it was written with, the Avro body: read into our schema. */
    private GenericRecord decode(ByteBuffer value) throws Exception {
        if (value.get() != 0) throw new IllegalArgumentException("not in Confluent's wire format");
        var id = value.getInt();
        if (!known.containsKey(id)) known.put(id, schema(id));
        var body = DecoderFactory.get().binaryDecoder(value.array(), value.position(), value.remaining(), null);
        return new GenericDatumReader<GenericRecord>(known.get(id), ours, types).read(null, body);
    }

    private Schema schema(int id) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(registry + "/schemas/ids/" + id)).build();
        var answer = http.send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != 200) throw new IllegalStateException("the registry answered " + answer.statusCode());
        return new Schema.Parser().parse(new ObjectMapper().readTree(answer.body()).get("schema").asText());
    }

    public static void main(String[] args) throws Exception {
        var ours = new Schema.Parser().parse(Path.of(args[3]).toFile());
        new Consumer(args[1], ours).state(args[0], args[2]).values().forEach(System.out::println);
    }
}

// Holds what `pefa export-xs --to vespa` wrote against Vespa's own code: its schema compiler reads the schema, its feed
// reader every document, its query parser the query of the README. Whatever they refuse ends the program.
//
//   java -cp CLASSES VespaExport.java FOLDER [SCHEMA]     SCHEMA: that of another folder, where this one is an update
import com.fasterxml.jackson.core.JsonFactory;
import com.yahoo.document.DocumentPut;
import com.yahoo.document.DocumentRemove;
import com.yahoo.document.DocumentTypeManager;
import com.yahoo.document.config.DocumentmanagerConfig;
import com.yahoo.document.json.JsonReader;
import com.yahoo.schema.ApplicationBuilder;
import com.yahoo.search.query.parser.Parsable;
import com.yahoo.search.query.parser.ParserEnvironment;
import com.yahoo.search.yql.YqlParser;
import com.yahoo.vespa.configmodel.producers.DocumentManager;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class VespaExport {
  public static void main(String[] arguments) throws Exception {
    Path folder = Path.of(arguments[0]);
    Path schema = arguments.length > 1 ? Path.of(arguments[1]) : folder.resolve("passage.sd");
    ApplicationBuilder application = ApplicationBuilder.createFromFile(schema.toString());
    DocumentmanagerConfig.Builder config = new DocumentmanagerConfig.Builder();
    DocumentTypeManager types =
        new DocumentTypeManager(new DocumentManager().produce(application.getModel(), config).build());

    String lines = Files.readString(folder.resolve("feed.jsonl"), StandardCharsets.UTF_8);
    byte[] feed = ("[" + lines.strip().replace("\n", ",") + "]").getBytes(StandardCharsets.UTF_8);
    JsonReader reader = new JsonReader(types, new ByteArrayInputStream(feed), new JsonFactory());
    int puts = 0;
    int removes = 0;
    for (var operation = reader.next(); operation != null; operation = reader.next()) {
      if (operation instanceof DocumentPut) ++puts;
      if (operation instanceof DocumentRemove) ++removes;
    }
    if (puts + removes != lines.lines().count()) throw new IllegalStateException("not every line is an operation");

    String readme = Files.readString(folder.resolve("README.md"), StandardCharsets.UTF_8);
    Matcher yql = Pattern.compile("'yql=([^']*)'").matcher(readme);
    if (!yql.find()) throw new IllegalStateException("README.md has no query");
    parse(yql.group(1));
    Matcher filter = Pattern.compile("`(where \\{targetHits[^`]*)`").matcher(readme);
    if (filter.find()) parse("select id from passage " + filter.group(1));
    System.out.println(folder + ": " + puts + " puts and " + removes + " removes");
  }

  private static void parse(String yql) {
    new YqlParser(new ParserEnvironment()).parse(new Parsable().setQuery(yql));
  }
}
